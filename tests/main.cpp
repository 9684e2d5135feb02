// The main of every unit test executable: Catch2's own, linked once here so that test files hold tests alone.
#include <catch2/catch_session.hpp>

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
