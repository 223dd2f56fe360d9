package jsondoc

// Objects takes an array that holds nothing but objects, to read each member by
// member; their own Rest tells what was left of each. nil if there is none.
func (o Object) Objects(name string) []Object {
	i := o.find(name, "[")
	if i == 0 {
		return nil
	}
	list := Value{o.doc, i + 1}
	out := make([]Object, 0, list.Len())
	for _, item := range list.Items() {
		if item.Kind() != '{' {
			return nil
		}
		inner := o
		inner.at, inner.path = item.at, o.below(i)
		out = append(out, inner)
	}
	o.take(i)
	return out
}

// below is the path of a member, by its name's node.
func (o Object) below(name uint32) string {
	if o.path == "" {
		return o.text(name)
	}
	return o.path + "." + o.text(name)
}
