// MSL 1.5.4 Restrictions: loops, switches, break, continue and early returns
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (x[i] < 0) return;
  do {
    switch (x[i] & 3) {
      case 0: x[i] += 1; break;
      case 1: x[i] += 3; continue;
      default: x[i] /= 2;
    }
  } while (x[i] > 8);
  for (int k : {1, 2, 3}) x[i] += k;
}
