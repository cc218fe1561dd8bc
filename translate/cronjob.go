package translate

import (
	batchv1 "k8s.io/api/batch/v1"
	batchdefaults "k8s.io/kubernetes/pkg/apis/batch/v1"
)

// CronJobs are documents; Kubernetes' own controller makes their Jobs.
var CronJobs = Documents{
	Of: "CronJob", New: func() Object { return &batchv1.CronJob{} },
	Default: func(o Object) { batchdefaults.SetObjectDefaults_CronJob(o.(*batchv1.CronJob)) },
}
