// MSL 6.3 Integer Functions: mul24 takes 32-bit integers
// expect: call to 'mul24' is ambiguous @6
#include <metal_stdlib>
using namespace metal;
ulong f(ulong x, ulong y) {
  return mul24(x, y);
}
