// MSL 2.3 Matrix Data Types: matrices have two to four columns and rows
// expect: matrices have 2 to 4 columns and rows @6
#include <metal_stdlib>
using namespace metal;
float f(float x) {
  matrix<float, 5, 5> m;
  return x + m[0][0];
}
