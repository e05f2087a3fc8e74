# METADATA
# title: Limits
# description: |
#   What Acme does not want, whoever agrees. A rule of an organisation can hold a
#   request and say why; it can never approve one.
package assent.custom.limits

# METADATA
# title: No access without an end
deny contains "access needs an end, a year from now at the latest" if input.limit == ""

# METADATA
# title: A year at most
deny contains "access needs an end, a year from now at the latest" if {
	input.limit != ""
	time.parse_rfc3339_ns(input.limit) > in_a_year
}

# METADATA
# title: Personal data needs a purpose
# description: A word or two is no purpose that a steward could judge.
deny contains msg if {
	personal
	count(words) < fewest_words
	msg := sprintf("say in %d words or more what the personal data is for", [fewest_words])
}

personal if {
	some tag in input.request.tags
	tag == "pii"
}

personal if {
	some tag in input.request.tags
	startswith(tag, "pii.")
}

fewest_words := 5

# An answer that is missing has no words: what cannot be judged is held.
words := [w | some text in object.get(input.request.answers, "purpose", []); some w in split(text, " "); w != ""]

in_a_year := time.add_date(time.parse_rfc3339_ns(input.at), 1, 0, 0)
