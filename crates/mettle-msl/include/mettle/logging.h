// <metal_logging>: messages of kernels. The CPU device formats them and hands them to the host's log; on an NVIDIA GPU
// they are dropped.
#pragma once

#if defined(METTLE_PTX) || defined(__METTLE_STRICT__)
#define METTLE_LOGS 0
#else
#define METTLE_LOGS 1
#endif

#include "abi.h"
#include "vec.h"

namespace metal {

enum log_type {
  log_type_debug,
  log_type_info,
  log_type_default,
  log_type_error,
  log_type_fault,
};

}  // namespace metal

namespace mettle {

#if METTLE_LOGS

template <class T>
inline constexpr LogKind log_kind = metal::is_floating_point_v<T> ? LogKind::floating
                                    : metal::is_signed_v<T>       ? LogKind::signed_integer
                                                                  : LogKind::unsigned_integer;

template <class T>
METTLE_INLINE ulong log_bits(T x) {
  if constexpr (metal::is_floating_point_v<T>) {
    return __builtin_bit_cast(uint, float(x));
  } else {
    return ulong(x);
  }
}

template <class T>
METTLE_INLINE LogArgument log_argument(const T& x) {
  using Decayed = metal::decay_t<T>;
  static_assert(!metal::is_array_v<T> && !metal::is_pointer_v<Decayed>, "os_log takes no strings and pointers");
  static_assert(metal::is_arithmetic_v<Decayed> || __is_enum(Decayed), "os_log takes numbers and vectors");
  return {{log_bits(x)}, log_kind<Decayed>, uint(sizeof(T) < 4 ? 4 : sizeof(T)), 1};
}
template <class T, int N>
METTLE_INLINE LogArgument log_argument(const metal::vec<T, N>& x) {
  static_assert(N <= 4, "os_log takes vectors of up to 4 components");
  LogArgument argument = {{}, log_kind<T>, sizeof(T), N};
  for (int i = 0; i < N; i++) argument.values[i] = log_bits(x.get(i));
  return argument;
}

#endif

}  // namespace mettle

namespace metal {

#if METTLE_LOGS

class os_log {
 public:
  METTLE_INLINE constexpr os_log(const char* subsystem, const char* category)
      : subsystem_(subsystem), category_(category) {}

  template <class... Arguments>
  METTLE_INLINE void log_with_type(log_type type, const char* format, const Arguments&... arguments) const {
    constexpr uint count = sizeof...(Arguments);
    const mettle::LogArgument list[count + 1] = {mettle::log_argument(arguments)...};
    const mettle::LogMessage message = {subsystem_, category_, format, list, uint(type), count};
    mettle_hooks->log(&message);
  }

#define METTLE_LOG(name, type)                                                         \
  template <class... Arguments>                                                        \
  METTLE_INLINE void name(const char* format, const Arguments&... arguments) const {   \
    log_with_type(type, format, arguments...);                                         \
  }
  METTLE_LOG(log, log_type_default)
  METTLE_LOG(log_debug, log_type_debug)
  METTLE_LOG(log_info, log_type_info)
  METTLE_LOG(log_error, log_type_error)
  METTLE_LOG(log_fault, log_type_fault)
#undef METTLE_LOG

 private:
  const char* subsystem_;
  const char* category_;
};

#else

// Strings lie in an address space here, of which nothing is known.
class os_log {
 public:
  template <class Text>
  METTLE_INLINE constexpr os_log(Text /*subsystem*/, Text /*category*/) {}

  template <class... Arguments>
  METTLE_INLINE void log_with_type(log_type, Arguments...) const {}
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

#endif

#undef METTLE_LOGS

inline constexpr os_log os_log_default("", "");

}  // namespace metal
