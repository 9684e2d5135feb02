// The system calls a container may make when its spec asks for the runtime's default profile (seccompProfile
// RuntimeDefault): all but those that administer the machine, which need the capability that goes with them. Pure.
//
// What the default profiles of other runtimes leave out, written as what is refused: a call that a later kernel adds is
// allowed here where they answer EPERM.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace services::kubelet::pods {

// runtime-spec's linux.seccomp. `capabilities`: of the container, "CAP_SYS_ADMIN"...
boost::json::object default_seccomp(const boost::json::array& capabilities);

}  // namespace services::kubelet::pods
