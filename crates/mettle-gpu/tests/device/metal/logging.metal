// Messages of kernels.
#include <metal_stdlib>
#include <metal_logging>
using namespace metal;

constant os_log own("com.example.kernels", "tests");

kernel void messages(device const float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (x[i] < 0) {
    os_log_default.log_error("thread %u: %f is negative", i, x[i]);
  }
  if (i == 0) {
    own.log("half %.2f, char %d, vector %v4hlf", half(0.25h), char(-3), float4(1, 2, 3, x[i]));
    own.log_debug("ulong %lu, bool %d, bytes %v2hhu", ulong(1) << 40, true, uchar2(1, 255));
    os_log_default.log_with_type(log_type_fault, "plain 100%%");
  }
}
