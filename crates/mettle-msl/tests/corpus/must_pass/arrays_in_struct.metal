// MSL 2.12 Aggregate Types: structs hold arrays, unions and bit-compatible views
#include <metal_stdlib>
using namespace metal;

struct Quantized {
  half scale;
  uchar values[16];
};
union Bits {
  float real;
  uint whole;
};
kernel void dequantize(device const Quantized* q [[buffer(0)]], device float* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  Bits bits;
  bits.whole = 0x3f800000;
  for (uint k = 0; k < 16; k++) out[16 * i + k] = float(q[i].scale) * (q[i].values[k] - 8) * bits.real;
}
