// <metal_logging>: messages of kernels. The CPU device has nowhere to send them; they are dropped.
#pragma once

#include "types.h"

namespace metal {

class os_log {
 public:
  template <class Text>
  METTLE_INLINE constexpr os_log(Text /*subsystem*/, Text /*category*/) {}

  template <class... Arguments>
  METTLE_INLINE void log(Arguments...) const {}
  template <class... Arguments>
  METTLE_INLINE void log_debug(Arguments...) const {}
  template <class... Arguments>
  METTLE_INLINE void log_info(Arguments...) const {}
  template <class... Arguments>
  METTLE_INLINE void log_error(Arguments...) const {}
  template <class... Arguments>
  METTLE_INLINE void log_fault(Arguments...) const {}
};

inline constexpr os_log os_log_default("", "");

}  // namespace metal
