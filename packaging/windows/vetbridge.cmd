@echo off
rem The vetbridge command of an installed VetBridge; the config is the one in ProgramData unless another one is named.
if not defined VETBRIDGE_CONFIG set "VETBRIDGE_CONFIG=%ProgramData%\VetBridge\vetbridge.yaml"
"%~dp0python\python.exe" -m vetbridge.cli.main %*
