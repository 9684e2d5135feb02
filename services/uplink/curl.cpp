#include "services/uplink/curl.hpp"

#include <dlfcn.h>

#include <string>

#include "hal/base/error.hpp"

namespace services::uplink {
namespace {

constexpr auto file = "libcurl.so.4";

template <class Function>
void find(void* library, const char* name, Function& into) {
    into = reinterpret_cast<Function>(::dlsym(library, name));
    if (!into) throw hal::Error(hal::Code::unsupported, std::string(file) + " has no " + name);
}

}  // namespace

std::unique_ptr<const Curl> Curl::load() {
    void* library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) throw hal::Error(hal::Code::unsupported, std::string("cannot be loaded: ") + ::dlerror());
    auto curl = std::make_unique<Curl>();
    find(library, "curl_global_init", curl->global_init);
    find(library, "curl_version", curl->version);
    find(library, "curl_easy_init", curl->easy_init);
    find(library, "curl_easy_cleanup", curl->easy_cleanup);
    find(library, "curl_easy_setopt", curl->easy_setopt);
    find(library, "curl_easy_getinfo", curl->easy_getinfo);
    find(library, "curl_easy_pause", curl->easy_pause);
    find(library, "curl_easy_strerror", curl->easy_strerror);
    find(library, "curl_slist_append", curl->slist_append);
    find(library, "curl_slist_free_all", curl->slist_free_all);
    find(library, "curl_multi_init", curl->multi_init);
    find(library, "curl_multi_cleanup", curl->multi_cleanup);
    find(library, "curl_multi_setopt", curl->multi_setopt);
    find(library, "curl_multi_add_handle", curl->multi_add_handle);
    find(library, "curl_multi_remove_handle", curl->multi_remove_handle);
    find(library, "curl_multi_socket_action", curl->multi_socket_action);
    find(library, "curl_multi_info_read", curl->multi_info_read);
    if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw hal::Error(hal::Code::unsupported, std::string(file) + " does not start");
    return curl;
}

}  // namespace services::uplink
