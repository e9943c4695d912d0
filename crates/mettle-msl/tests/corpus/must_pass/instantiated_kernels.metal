// MSL 5.1.11 Templated Qualified Functions: a kernel template is instantiated for each name
#include <metal_stdlib>
using namespace metal;

template <typename T, int N>
[[kernel]] void scale(device T* x [[buffer(0)]], constant float& f [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  for (int k = 0; k < N; k++) x[N * i + k] = T(f * float(x[N * i + k]));
}
template [[host_name("scale_f32")]] [[kernel]] void scale<float, 4>(device float*, constant float&, uint);
template [[host_name("scale_f16")]] [[kernel]] void scale<half, 8>(device half*, constant float&, uint);
typedef decltype(scale<int, 2>) scale_t;
template [[host_name("scale_i32")]] kernel scale_t scale<int, 2>;
