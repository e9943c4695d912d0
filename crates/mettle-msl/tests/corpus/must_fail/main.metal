// MSL 1.5.4 Restrictions: no function is called main
// expect: main @6
#include <metal_stdlib>
using namespace metal;

int main() {
  return 0;
}
