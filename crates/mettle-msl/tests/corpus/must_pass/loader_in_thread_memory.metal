// MSL 4.3 Thread Address Space: an object of the thread keeps pointers to other memory
#include <metal_stdlib>
using namespace metal;

struct Loader {
  device const float* source;
  threadgroup float* target;
  Loader(device const float* s, threadgroup float* t) : source(s), target(t) {}
  void load(uint i) { target[i] = source[i]; }
  void next(uint n) { source += n; }
};
kernel void use(device float* x [[buffer(0)]], threadgroup float* t [[threadgroup(0)]], uint i [[thread_index_in_threadgroup]]) {
  Loader loader(x, t);
  loader.load(i);
  loader.next(32);
  loader.load(i);
  x[i] = t[i];
}
