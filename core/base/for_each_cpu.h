// Functions compiled once for each kind of CPU; the loader picks one.
#pragma once

/// Before a function: versions for AVX-512, AVX2 and the baseline. What it calls must be inlined
/// into it, or runs as compiled for the baseline. Sanitizers cannot run the loader's choice.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LIKENESS_FOR_EACH_CPU \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LIKENESS_FOR_EACH_CPU
#endif
