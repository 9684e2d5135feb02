// @kubernetes/client-node against the API server: create, list, watch by informer, delete. Prints what it saw.
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromFile(process.argv[2]);
const core = config.makeApiClient(k8s.CoreV1Api);
const seen = [];
const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/configmaps', () => core.listNamespacedConfigMap({ namespace: 'default' }));
const both = new Promise((resolve, reject) => {
    informer.on('add', (o) => { if (o.metadata.name === 'client-node') seen.push('add'); });
    informer.on('delete', (o) => { if (o.metadata.name === 'client-node') { seen.push('delete'); resolve(); } });
    informer.on('error', reject);
    setTimeout(() => reject(new Error('nothing came: ' + seen)), 15000).unref();
});
await informer.start();
await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'client-node' }, data: { a: 'b' } } });
const list = await core.listNamespacedConfigMap({ namespace: 'default' });
if (!list.items.some((o) => o.metadata.name === 'client-node')) throw new Error('not listed');
while (!seen.includes('add')) await new Promise((resolve) => setTimeout(resolve, 20));
await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'client-node' });
await both;
await informer.stop();
console.log(seen.join(' '));
process.exit(0);
