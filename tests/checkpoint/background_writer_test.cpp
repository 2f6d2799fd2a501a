// Work beside a run: one at a time, done before the writer goes, and what fails is told once.
#include <foal/checkpoint/background_writer.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <stdexcept>
#include <string>

using foal::checkpoint::background_writer;

TEST_CASE("the writer is busy until its work is done, and begins the next one behind it") {
  std::atomic<bool> may_end{false};
  std::string order;
  {
    background_writer writer;
    CHECK_FALSE(writer.busy());
    writer.begin([&] {
      may_end.wait(false);
      order += "first ";
    });
    CHECK(writer.busy());
    may_end = true;
    may_end.notify_all();
    writer.begin([&] { order += "second"; });  // waits for the one before
  }                                            // and so does its end
  CHECK(order == "first second");
}

TEST_CASE("what the work throws is a sentence that is taken once, and does not stop the next") {
  background_writer writer;
  writer.begin([] { throw std::runtime_error("the disk is full"); });
  writer.wait();
  CHECK_FALSE(writer.busy());
  CHECK(writer.take_fault() == "the disk is full");
  CHECK(writer.take_fault().empty());
  bool done = false;
  writer.begin([&] { done = true; });
  writer.wait();
  CHECK(done);
  CHECK(writer.take_fault().empty());
}
