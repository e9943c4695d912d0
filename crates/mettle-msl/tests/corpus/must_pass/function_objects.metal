// MSL 1.5.2 Templates: function objects stand where function pointers would
#include <metal_stdlib>
using namespace metal;

struct Square { float operator()(float x) const { return x * x; } };
struct Add { template <typename T> T operator()(T a, T b) const { return a + b; } };
template <typename Operation>
kernel void map(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = Operation()(x[i]); }
template [[host_name("map_square")]] kernel void map<Square>(device float*, uint);
kernel void total(device float* x [[buffer(0)]]) { x[0] = Add()(x[0], x[1]); }
