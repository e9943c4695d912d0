// MSL 6.19 Logging Functions: kernels write to the log
#include <metal_stdlib>
using namespace metal;

constant os_log log("subsystem", "category");
kernel void use(device float* x [[buffer(0)]]) {
  os_log_default.log_info("value %f", x[0]);
  x[0] = 1;
}
