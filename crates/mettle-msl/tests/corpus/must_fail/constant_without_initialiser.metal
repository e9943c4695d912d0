// MSL 4.2 Constant Address Space: a variable in the constant address space has an initialiser
// expect: default initialization of an object of const type @6
#include <metal_stdlib>
using namespace metal;

constant int rows;
kernel void use(device int* x [[buffer(0)]]) { x[0] = rows; }
