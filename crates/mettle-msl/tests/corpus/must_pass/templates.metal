// MSL 1.5.2 Templates: functions and structs may be templates
#include <metal_stdlib>
using namespace metal;

template <typename T, int N>
struct Window {
  T values[N];
  T sum() const {
    T total = T(0);
    for (int i = 0; i < N; i++) total += values[i];
    return total;
  }
};
template <typename T>
T square(T x) { return x * x; }
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  Window<float, 4> window;
  for (int k = 0; k < 4; k++) window.values[k] = square(x[4 * i + k]);
  x[4 * i] = window.sum();
}
