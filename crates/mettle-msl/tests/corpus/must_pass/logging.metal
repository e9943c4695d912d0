// MSL 6.19 Logging Functions: logs of one's own and the default one, numbers and vectors
#include <metal_stdlib>
#include <metal_logging>
using namespace metal;

constant os_log custom("com.example.subsystem", "category");

kernel void use(device const float4* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (x[i].x < M_PI_F) custom.log("value %f at %u", x[i].x, i);
  os_log_default.log_error("vector %v4hlf", x[i]);
  os_log_default.log_debug("done");
  os_log_default.log_info("%d %d", half(1), char(2));
  custom.log_fault("%lu", ulong(i));
  custom.log_with_type(log_type_debug, "%x", 255);
}
