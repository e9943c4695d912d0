// MSL 5.2 Function Arguments and Variables: arguments of a kernel in one struct, read through a reference
#include <metal_stdlib>
using namespace metal;

typedef struct {
  int32_t rows;
  uint64_t stride;
  float scale;
} Arguments;
kernel void use(constant Arguments& arguments [[buffer(0)]], device const char* in [[buffer(1)]], device char* out [[buffer(2)]],
                uint3 group [[threadgroup_position_in_grid]]) {
  if (int(group.x) >= arguments.rows) return;
  device const float* row = (device const float*)(in + group.x * arguments.stride);
  device float* target = (device float*)(out + group.x * arguments.stride);
  target[0] = row[0] * arguments.scale;
}
