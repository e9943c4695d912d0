// MSL 1.5.4 Restrictions: methods that call themselves need a stack of unknown depth
// expect: recursion @10
#include <metal_stdlib>
using namespace metal;

struct Counter {
  int steps;
  int down(int n) {
    steps++;
    return n == 0 ? steps : down(n - 1);
  }
};
kernel void use(device int* x [[buffer(0)]]) {
  Counter c;
  c.steps = 0;
  x[0] = c.down(x[0]);
}
