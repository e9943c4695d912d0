// MSL 2.2 Vector Data Types: vectors have up to four components
// expect: vectors have 2, 3, 4, 8 or 16 components @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  vec<float, 5> v;
  return x + v[0];
}
