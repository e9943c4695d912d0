// MSL 1.5.4 Restrictions: enumerations, scoped or not, are array sizes and case labels
#include <metal_stdlib>
using namespace metal;

enum { ROWS = 4 };
enum class Mode : uint { sum, product };
constant Mode mode = Mode::sum;
kernel void use(device float* x [[buffer(0)]]) {
  float own[ROWS];
  for (int i = 0; i < ROWS; i++) own[i] = x[i];
  switch (mode) {
    case Mode::sum: x[0] = own[0] + own[1]; break;
    case Mode::product: x[0] = own[0] * own[1]; break;
  }
}
