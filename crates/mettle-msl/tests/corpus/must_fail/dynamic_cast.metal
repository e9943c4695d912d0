// MSL 1.5.4 Restrictions: there is no dynamic_cast
// expect: dynamic_cast @9
#include <metal_stdlib>
using namespace metal;

struct Base { int a; };
struct Derived : Base { int b; };
int read(thread Base* base) {
  return dynamic_cast<thread Derived*>(base)->b;
}
