// One oneDNN primitive with the memory objects of its operands, made once and run with other addresses each time.
#pragma once

#include <array>
#include <cstddef>
#include <dnnl.hpp>
#include <initializer_list>

#include <foal/core/error.hpp>

namespace foal::device::onednn_ops {

/// Throws foal::error unless the status is success. what: what was tried, as a sentence goes on after "cannot".
inline void check(dnnl_status_t status, char const* what) {
  require(status == dnnl_success, "cannot ", what, ", because oneDNN gave status ", static_cast<int>(status),
          " (dnnl_status_t); train on foal::device::host if it persists");
}

/// The attributes of every primitive here: scratch is the caller's. accumulate: the result is added to what is there.
inline dnnl::primitive_attr attributes(bool accumulate = false) {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (accumulate) {
    dnnl::post_ops add;
    add.append_sum(1.0F);
    a.set_post_ops(add);
  }
  return a;
}

/// A primitive of at most three operands. To run it takes no allocation of foal's; oneDNN 2.6 itself makes a few small nodes
/// for its list of arguments in every call.
class step {
 public:
  struct operand {
    int argument;  ///< DNNL_ARG_...
    dnnl::memory::desc what;
  };

  step() = default;
  template <class Primitive>
  static step of(dnnl::engine const& engine, typename Primitive::primitive_desc const& description,
                 std::initializer_list<operand> operands) {
    step s;
    s.primitive_ = Primitive(description);
    s.scratch_bytes_ = description.scratchpad_desc().get_size();
    for (operand const& o : operands) s.add(engine, o);
    s.add(engine, {DNNL_ARG_SCRATCHPAD, description.scratchpad_desc()});
    return s;
  }

  std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// addresses: of the operands, in the order in which they were given. scratch: scratch_bytes() bytes, 64-byte aligned.
  void run(dnnl::stream const& stream, std::initializer_list<void const*> addresses, void* scratch) {
    int i = 0;
    for (void const* address : addresses) place(i++, const_cast<void*>(address));
    place(i, scratch);
    check(dnnl_primitive_execute(primitive_.get(), stream.get(), count_, arguments_.data()), "run a primitive");
  }

 private:
  void add(dnnl::engine const& engine, operand const& o) {
    auto const i = static_cast<std::size_t>(count_++);
    memory_[i] = dnnl::memory(o.what, engine, nullptr);
    arguments_[i] = {o.argument, memory_[i].get()};
  }
  void place(int number, void* address) {
    auto const i = static_cast<std::size_t>(number);
    if (at_[i] == address) return;
    check(dnnl_memory_set_data_handle(arguments_[i].memory, address), "name an operand's place");
    at_[i] = address;
  }

  dnnl::primitive primitive_;
  std::size_t scratch_bytes_ = 0;
  std::array<dnnl::memory, 4> memory_;
  std::array<dnnl_exec_arg_t, 4> arguments_{};
  std::array<void*, 4> at_{};
  int count_ = 0;
};

}  // namespace foal::device::onednn_ops
