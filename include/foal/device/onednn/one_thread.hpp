// Holds oneDNN to the calling thread, without a change for the rest of the program.
#pragma once

#include <dlfcn.h>

#include <dnnl.hpp>
#include <foal/core/error.hpp>

namespace foal::device::onednn_ops {

/// While one lives, oneDNN starts no thread for the thread that made it, neither as it makes primitives nor as it runs them.
/// A oneDNN that works with OpenMP asks OpenMP how many threads the calling thread may use: that number, which every thread
/// has for itself, is 1 as long as this lives and then what it was. Nanoseconds; nothing else of the program's OpenMP or
/// oneDNN changes.
///
/// OpenMP's functions are looked up by name in the running program: so they are those of the runtime that oneDNN itself has
/// loaded (GNU's or LLVM's), and neither omp.h nor a library to link is needed.
class one_thread {
 public:
  one_thread() : before_(openmp().get == nullptr ? 1 : openmp().get()) {
    if (before_ != 1) openmp().set(1);
  }
  one_thread(one_thread const&) = delete;
  one_thread& operator=(one_thread const&) = delete;
  ~one_thread() {
    if (before_ != 1) openmp().set(before_);
  }

  /// Throws foal::error where oneDNN cannot be held to one thread.
  static void require_possible() {
    unsigned const runtime = dnnl::version()->cpu_runtime;
    require(runtime != DNNL_RUNTIME_TBB,
            "cannot hold oneDNN to one thread per worker, because it was built for TBB, whose threads belong to nobody; "
            "install a oneDNN built for OpenMP or DNNL_CPU_RUNTIME=SEQ");
    require(runtime != DNNL_RUNTIME_OMP || openmp().set != nullptr,
            "cannot hold oneDNN to one thread per worker, because it was built for OpenMP and this program has no "
            "omp_set_num_threads; link oneDNN and its OpenMP runtime as shared libraries");
  }

 private:
  struct functions {
    int (*get)() = nullptr;
    void (*set)(int) = nullptr;
  };
  static functions const& openmp() {
    static functions const found = [] {
      functions f;
      f.get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
      f.set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
      return f.get != nullptr && f.set != nullptr ? f : functions{};
    }();
    return found;
  }

  int before_;
};

}  // namespace foal::device::onednn_ops
