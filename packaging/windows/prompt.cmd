@echo off
rem A command window in which `vetbridge` is known; opened by the shortcut in the start menu.
title VetBridge
set "PATH=%~dp0;%PATH%"
cd /d "%ProgramData%\VetBridge"
echo First time:  vetbridge init     Then:  vetbridge service install --plan
