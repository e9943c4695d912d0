// MSL 4.1 Device Address Space: a pointer into a struct keeps the address space of the struct
#include <metal_stdlib>
using namespace metal;

struct Block {
  half scale;
  uchar bytes[32];
};
kernel void use(device const Block* blocks [[buffer(0)]], device float* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  device const uchar* bytes = blocks[i].bytes;
  device const half& scale = blocks[i].scale;
  device const uint* words = (device const uint*)(bytes + 4);
  out[i] = scale * bytes[0] + float(words[0] & 15);
}
