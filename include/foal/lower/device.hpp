// A device and a loss as functions.
#pragma once

#include <type_traits>

#include <foal/lower/functions.hpp>

namespace foal::lower {

namespace detail {

template <class S>
struct add_elements {
  FOAL_HOST_DEVICE void operator()(S const& a, S const& b, S& y) const { y = a + b; }
};

template <class D, class S>
struct device_thunks {
  static D& of(void* d) { return *static_cast<D*>(d); }
  static void* allocate(std::size_t n) { return D::allocate(n); }
  static void release(void* p) { D::release(p); }
  static void* make(void* workspace, [[maybe_unused]] std::size_t bytes) {
    if constexpr (requires { D(workspace, bytes); })
      return new D(workspace, bytes);
    else
      return new D(workspace);
  }
  static void destroy(void* d) { delete static_cast<D*>(d); }
  static void copy(void* d, void* to, void const* from, std::size_t n) { of(d).copy(to, from, n); }
  static void copy_in(void* d, void* to, void const* from, std::size_t n) { of(d).copy_in(to, from, n); }
  static void copy_out(void* d, void* to, void const* from, std::size_t n) { of(d).copy_out(to, from, n); }
  static void zero(void* d, void* to, std::size_t n) { of(d).zero(to, n); }
  static void synchronise(void* d) { of(d).synchronise(); }
  static void add(void* d, std::size_t n, void const* a, void const* b, void* y) {
    of(d).map(n, add_elements<S>{}, static_cast<S const*>(a), static_cast<S const*>(b), static_cast<S*>(y));
  }
  static bool all_finite(void* d, std::size_t n, void const* x) { return of(d).all_finite(n, static_cast<S const*>(x)); }
  static double sum_of_squares(void* d, std::size_t n, void const* x) {
    return of(d).sum_of_squares(n, static_cast<S const*>(x));
  }
};

template <class D>
constexpr bool uses_host_memory() {
  if constexpr (requires { D::host_memory; })
    return D::host_memory;
  else
    return true;
}

template <class Loss, class S>
using target_of = std::conditional_t<std::is_void_v<typename Loss::target>, S, typename Loss::target>;

template <class Loss, class D, class S>
loss::loss_result apply_loss(loss_call const& c) {
  context<D, S> ctx{*static_cast<D*>(c.device), c.in, c.in, c.samples, 1, c.phase, {}, nullptr, nullptr};
  using target = target_of<Loss, S>;
  return static_cast<Loss const*>(c.loss)->apply(ctx, static_cast<S const*>(c.x), static_cast<target const*>(c.targets),
                                                 c.divide, static_cast<S*>(c.dx));
}

}  // namespace detail

template <class D, class S>
constexpr device_functions device_of() {
  static_assert(
      requires { sizeof(D); },
      "foal: cannot train on this device, because only its name is known here; include its header (in a .cu file "
      "foal/cuda.hpp for a GPU, foal/device/host.hpp for the host)");
  using t = detail::device_thunks<D, S>;
  return {D::workspace_bytes, detail::uses_host_memory<D>(),
          &t::allocate,       &t::release,
          &t::make,           &t::destroy,
          &t::copy,           &t::copy_in,
          &t::copy_out,       &t::zero,
          &t::synchronise,    &t::add,
          &t::all_finite,     &t::sum_of_squares};
}

template <class Loss, class D, class S>
constexpr loss_functions loss_of(shape output) {
  return {&detail::apply_loss<Loss, D, S>, Loss::targets(output), sizeof(detail::target_of<Loss, S>),
          Loss::weight(output, 1)};
}

}  // namespace foal::lower
