// MSL 4.3 Thread Address Space: variables of a function are the thread's own
#include <metal_stdlib>
using namespace metal;

void swap(thread float& a, thread float& b) {
  const float c = a;
  a = b;
  b = c;
}
float sum(thread const float* x, int n) {
  float total = 0;
  for (int i = 0; i < n; i++) total += x[i];
  return total;
}
kernel void use(device float* x [[buffer(0)]]) {
  float values[4] = {x[0], x[1], x[2], x[3]};
  swap(values[0], values[3]);
  thread float* p = values + 1;
  thread auto& q = values[2];
  *p = q;
  x[0] = sum(values, 4) + sum(p, 2);
}
