// MSL 6.19 Logging Functions: strings are no arguments of a message
// expect: os_log takes no strings and pointers @6
#include <metal_stdlib>
using namespace metal;
void f(int x) {
  os_log_default.log("%s %d", "name", x);
}
