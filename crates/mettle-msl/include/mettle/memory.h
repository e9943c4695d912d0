// The functions that clang may call on its own. Compiled kernels are linked with nothing, so they bring them along.
#pragma once

#include "types.h"

extern "C" {

__attribute__((visibility("hidden"), no_builtin)) void* memcpy(void* to, const void* from, size_t n) {
  char* t = static_cast<char*>(to);
  const char* f = static_cast<const char*>(from);
  for (size_t i = 0; i < n; i++) t[i] = f[i];
  return to;
}

__attribute__((visibility("hidden"), no_builtin)) void* memmove(void* to, const void* from, size_t n) {
  char* t = static_cast<char*>(to);
  const char* f = static_cast<const char*>(from);
  if (t < f) {
    for (size_t i = 0; i < n; i++) t[i] = f[i];
  } else {
    for (size_t i = n; i > 0; i--) t[i - 1] = f[i - 1];
  }
  return to;
}

__attribute__((visibility("hidden"), no_builtin)) void* memset(void* to, int byte, size_t n) {
  char* t = static_cast<char*>(to);
  for (size_t i = 0; i < n; i++) t[i] = static_cast<char>(byte);
  return to;
}

// For minima and maxima of half that clang recognises in `a < b ? a : b`.
__attribute__((visibility("hidden"), no_builtin)) float fminf(float a, float b) {
  return (b < a || a != a) ? b : a;
}
__attribute__((visibility("hidden"), no_builtin)) float fmaxf(float a, float b) {
  return (b > a || a != a) ? b : a;
}

}  // extern "C"
