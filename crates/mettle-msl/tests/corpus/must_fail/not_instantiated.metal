// MSL 5.1.11 Templated Qualified Functions: an instance names a template that is there
// expect: no kernel template use @6
#include <metal_stdlib>
using namespace metal;

template [[host_name("run")]] kernel void use<float>(device float*);
