package policy

import "github.com/open-policy-agent/opa/v1/ast"

// Reads reports whether the organisation's rules may read a field of input, so
// that what is dear to find out is found out only where a rule asks for it. A
// rule that takes input as a whole, or a field by a variable, may read any.
func (e *Engine) Reads(field string) bool { return e.reads[field] || e.reads[anyField] }

const anyField = "*"

// fieldsRead are the fields of input that the compiled modules of the files refer to.
func fieldsRead(modules map[string]*ast.Module, files map[string]string) map[string]bool {
	out := map[string]bool{}
	for file := range files {
		ast.WalkRefs(modules[file], func(ref ast.Ref) bool {
			if !ref[0].Equal(ast.InputRootDocument) {
				return false
			}
			name := anyField
			if len(ref) > 1 {
				if s, ok := ref[1].Value.(ast.String); ok {
					name = string(s)
				}
			}
			out[name] = true
			return false
		})
	}
	return out
}
