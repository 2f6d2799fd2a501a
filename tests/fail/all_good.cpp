// The passing twin of every *_fail.cpp: what they get wrong, done right. It must compile with the flags they fail with.
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/stages.hpp>

struct shortcut_tag {};

struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::relu, foal::save<shortcut_tag>, foal::linear<8>,
                          foal::add<shortcut_tag>, foal::residual<foal::linear<8>>,
                          foal::residual<foal::shortcut<foal::linear<4>>, foal::linear<4>>, foal::linear<10>> {};

int main() { return foal::stage_count<net> == 6 ? 0 : 1; }
