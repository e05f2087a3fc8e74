# METADATA
# title: Limits
# description: |
#   Your organisation's own rules. Each file is a package assent.custom.NAME with a
#   set deny: what is in it holds a request, and its author reads the message. A
#   rule can never approve anything. Run its tests with `assent policy test`.
package assent.custom.limits

# METADATA
# title: No access without an end
deny contains "ask for an end; access without one is not given here" if input.limit == ""
