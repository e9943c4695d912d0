// MSL 1.5.4 Restrictions: there is no type identification
// expect: typeid @7
#include <metal_stdlib>
using namespace metal;

kernel void use(device int* x [[buffer(0)]]) {
  x[0] = typeid(int) == typeid(float);
}
