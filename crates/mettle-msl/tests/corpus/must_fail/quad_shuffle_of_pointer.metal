// MSL 6.9.3 Quad-Group Functions: values move between threads, pointers do not
// expect: no matching function for call to 'quad_shuffle' @6
#include <metal_stdlib>
using namespace metal;
device int* f(device int* x) {
  return quad_shuffle(x, 1);
}
