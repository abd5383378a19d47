#!/usr/bin/env python3
"""The live comparison: bigger networks than fit the repository, and those of a model folder, against diffusers, transformers and peft.

  parity.py TEST_NN MODEL      TEST_NN is the built test program of core/nn, MODEL a diffusers folder

Runs TEST_NN's golden tests on freshly made data; its exit code is the result.
"""
import os, subprocess, sys, tempfile

test, model = map(os.path.abspath, sys.argv[1:3])
here = os.path.dirname(os.path.abspath(__file__))
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, f"{here}/make_networks_golden.py", folder, "--large", model], check=True)
    sys.exit(subprocess.run([test, "--gtest_filter=Golden.*"], env=dict(os.environ, LIKENESS_GOLDEN_NETWORKS=folder)).returncode)
