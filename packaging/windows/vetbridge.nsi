; The installer for Windows, built by build.py, which gives VERSION, SOURCE and OUT.
; It puts the program in place and nothing else: config, secrets and ledger stand in ProgramData and are never touched.
Unicode true
!include "MUI2.nsh"
!include "x64.nsh"

Name "VetBridge ${VERSION}"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\VetBridge"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
!define KEEP "Software\Microsoft\Windows\CurrentVersion\Uninstall\VetBridge"

!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"

Var Runs

Function .onInit
  ${IfNot} ${RunningX64}
    MessageBox MB_ICONSTOP "VetBridge needs a 64-bit Windows." /SD IDOK
    Abort
  ${EndIf}
  SetRegView 64
FunctionEnd

Section "VetBridge"
  ; An upgrade: the service ends in good order, and is started again at the end.
  nsExec::ExecToLog 'net.exe stop VetBridge'
  Pop $Runs
  ; What an older version had and this one has not must not stay on the path of its imports.
  RMDir /r "$INSTDIR\python"
  SetOutPath "$INSTDIR"
  File /r "${SOURCE}/*"

  ; Config, secrets and ledger: administrators and the system alone, until `vetbridge service install` adds the service.
  SetShellVarContext all
  CreateDirectory "$APPDATA\VetBridge"
  nsExec::ExecToLog 'icacls.exe "$APPDATA\VetBridge" /inheritance:r /grant *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F'
  Pop $0
  ${If} $0 <> 0
    MessageBox MB_ICONEXCLAMATION "The rights of $APPDATA\VetBridge could not be set: let nobody but administrators read it." /SD IDOK
  ${EndIf}

  CreateDirectory "$SMPROGRAMS\VetBridge"
  CreateShortcut "$SMPROGRAMS\VetBridge\VetBridge commands.lnk" "$SYSDIR\cmd.exe" '/K ""$INSTDIR\prompt.cmd""'

  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEEP}" "DisplayName" "VetBridge"
  WriteRegStr HKLM "${KEEP}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${KEEP}" "Publisher" "The VetBridge authors"
  WriteRegStr HKLM "${KEEP}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${KEEP}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${KEEP}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'

  ${If} $Runs == 0
    nsExec::ExecToLog 'net.exe start VetBridge'
    Pop $0
  ${EndIf}
SectionEnd

Section "Uninstall"
  SetRegView 64
  SetShellVarContext all
  nsExec::ExecToLog 'net.exe stop VetBridge'
  Pop $0
  nsExec::ExecToLog 'sc.exe delete VetBridge'
  Pop $0
  RMDir /r "$INSTDIR\python"
  RMDir /r "$INSTDIR\service"
  Delete "$INSTDIR\vetbridge.cmd"
  Delete "$INSTDIR\prompt.cmd"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  RMDir /r "$SMPROGRAMS\VetBridge"
  DeleteRegKey HKLM "${KEEP}"
  ; $APPDATA\VetBridge stays: it holds what nobody can make again.
SectionEnd
