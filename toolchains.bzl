"""Stand-ins for what Bazel 4.2 would download before it builds anything at all.

Bazel looks through its C++ and Java toolchains even for Python targets, and for these toolchains it
downloads rules_cc and rules_java, which only hand on the rules that Bazel 4.2 has built in. Handing
them on from here lets a build work without a network. Coverage is not measured with Bazel.
"""

def _native_rules(repository):
    language = repository.attr.language
    repository.file("BUILD")
    repository.file(language + "/BUILD")
    repository.file(
        language + "/defs.bzl",
        "".join(["{0} = native.{0}\n".format(rule) for rule in repository.attr.rules]),
    )

native_rules = repository_rule(
    implementation = _native_rules,
    attrs = {"language": attr.string(), "rules": attr.string_list()},
)

def _no_coverage_tools(repository):
    repository.file(
        "BUILD",
        "filegroup(name = 'coverage_report_generator', visibility = ['//visibility:public'])\n",
    )

no_coverage_tools = repository_rule(implementation = _no_coverage_tools)
