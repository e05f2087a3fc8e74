package own

allow := true
