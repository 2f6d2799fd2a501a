// The order in which a message between device memory and the host is waited for, copied and announced.
#include <foal/transport/message_copy.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace foal::transport;

/// What a queue has been told, in order; events have the names that they are made with.
std::vector<std::string> told;
int made = 0;
bool is_done = false;

std::string name_of(void const* event) { return std::to_string(*static_cast<int const*>(event)); }

message_queue const queue{.device = &told,
                          .copy_in =
                              [](void*, void* to, void const* from, std::size_t n) {
                                told.push_back("in " + std::to_string(n));
                                std::memcpy(to, from, n);
                              },
                          .copy_back =
                              [](void*, void* to, void const* from, std::size_t n) {
                                told.push_back("back " + std::to_string(n));
                                std::memcpy(to, from, n);
                              },
                          .wait = [](void*, void const* e) { told.push_back("wait " + name_of(e)); },
                          .record = [](void*, void* e) { told.push_back("record " + name_of(e)); },
                          .done = [](void const*) { return is_done; },
                          .finish = [](void const* e) { told.push_back("finish " + name_of(e)); },
                          .make_event = []() -> void* { return new int(made++); },
                          .destroy_event = [](void* e) { delete static_cast<int*>(e); },
                          .allocate_host = [](std::size_t n) { return std::malloc(n); },
                          .release_host = [](void* p) { std::free(p); }};

event_ring events(std::uint32_t count) { return {queue.make_event, queue.destroy_event, count}; }
using list = std::vector<std::string>;
list heard() { return std::exchange(told, {}); }

/// Two slots of one byte, and beside them one of two bytes on the host.
struct slots {
  std::array<std::byte, 2> device{};
  std::array<std::byte, 2> host{};
  std::vector<entry_slots> entries() {
    return {{device.data(), 1, 1, 2}, {host.data(), 2, 2, 1, nullptr, true}, {nullptr, 0, 0, 1}};
  }
};

}  // namespace

TEST_CASE("a message that is sent is copied once, when it has been written, and is there when the copy is") {
  made = 0;
  int written = 77;
  slots from;
  from.device = {std::byte{1}, std::byte{2}};
  from.host = {std::byte{3}, std::byte{4}};
  {
    message_copy copy(queue, 3);
    is_done = false;
    CHECK_FALSE(copy.brought(from.entries(), 1, &written));
    CHECK(heard() == list{"wait 77", "back 1", "record 0"});
    CHECK_FALSE(copy.brought(from.entries(), 1, &written));
    CHECK(heard().empty());
    is_done = true;
    REQUIRE(copy.brought(from.entries(), 1, &written));
    CHECK(copy.bytes()[0] == std::byte{2});
    CHECK(copy.bytes()[2] == std::byte{4});
    copy.taken();
    CHECK(copy.brought(from.entries(), 0, nullptr));
    CHECK(heard() == list{"back 1", "record 0"});
  }
  CHECK(heard() == list{"finish 0"});  // its room is in use no longer
}

TEST_CASE("a message that comes waits for those who read its slot before, and an event says when it is there") {
  made = 0;
  slots to;
  channel_events const of{events(2), events(2), events(3)};  // sent 0 1, read 2 3, released 4 5 6
  outbox const room{nullptr, nullptr, 2, 3};
  message_copy copy(queue, 3);  // 7
  std::array<std::byte, 3> const message{std::byte{7}, std::byte{8}, std::byte{9}};
  copy.put(to.entries(), 1, message.data(), room, &of, 1);
  CHECK(heard() == list{"in 1", "record 1"});  // nobody has filled the slot
  copy.put(to.entries(), 2, message.data(), room, &of, 2);
  CHECK(heard() == list{"wait 2", "in 1", "record 0"});
  copy.put(to.entries(), 4, message.data(), room, &of, 4);
  CHECK(heard() == list{"wait 2", "wait 5", "in 1", "record 0"});
  CHECK(to.device[0] == std::byte{7});
  CHECK(to.host[1] == std::byte{9});
}

TEST_CASE("a message that no event announces is there when it counts") {
  made = 0;
  slots to;
  message_copy copy(queue, 3);
  std::array<std::byte, 3> const message{};
  copy.put(to.entries(), 5, message.data(), {nullptr, nullptr, 2, 3}, nullptr, 5);
  CHECK(heard() == list{"in 1", "record 0", "finish 0"});
}
