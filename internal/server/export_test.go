package server

// Endpoint is an operation as the table in routes.go has it.
type Endpoint struct {
	Name, Method, Path string
	V2                 string // its prefix in the v2 dialect
}

// Endpoints lists the table.
func Endpoints(opts Options) []Endpoint {
	var list []Endpoint
	for _, op := range New(opts).operations() {
		list = append(list, Endpoint{op.name, op.method, op.path, string(op.area)})
	}
	return list
}
