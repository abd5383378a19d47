#!/usr/bin/env bash
# Set-up, build with warnings as errors, every test; the last line is `N passed, N failed`.
#   packaging/test.sh [ctest options]      such as -L fast (no torch) or -R nn
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packaging/setup.sh
cmake --preset dev
cmake --build --preset dev
rm -rf build/dev/test-results build/dev/ctest.xml
# Fast tests run side by side, those that compute with all cores alone (PROCESSORS in LikenessTargets.cmake).
ctest --test-dir build/dev --parallel "$(nproc)" --output-on-failure --output-junit ctest.xml "$@" || true
python3 packaging/count_tests.py build/dev
