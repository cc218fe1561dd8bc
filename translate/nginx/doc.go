// Package nginx writes configurations of nginx: Stream for ports (Kubernetes Services), HTTP for hosts and paths
// (Ingresses). It knows neither Kubernetes nor Swarm, only names and numbers. What comes out runs on nginx 1.22 (Debian 12)
// and later, on Debian and in the image nginx:alpine.
//
// backend.go turns targets into what proxy_pass takes. Names are resolved while nginx runs, by way of variables: in an
// upstream block they would be resolved once, and a name that is not there would keep nginx from starting. hop.go
// has HTTP keep connections to them all the same. stream.go, http.go, server.go and location.go write one block each.
//
// check.go and regex.go say which texts of a user nginx accepts: Check of Server, Location and Backend tells beforehand
// what Stream and HTTP would refuse. Whatever is written passes writer.go's quote or fill, so no text can become a
// directive, and no text that passed Check makes nginx refuse the rest.
package nginx
