import os
import jax, jax.numpy as jnp
from jax import lax
MODE=os.environ.get("MODE","plain"); R=int(os.environ.get("R","8")); MINROWS=int(os.environ.get("MINROWS","64"))

def _plain(images, kernel):
    return lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )

@jax.custom_vjp
def conv3x3(images: jax.Array, kernel: jax.Array) -> jax.Array:
    return _plain(images, kernel)

def _forward(images, kernel):
    return _plain(images, kernel), (images, kernel)

DN=lax.ConvDimensionNumbers((3,0,1,2),(3,0,1,2),(2,3,0,1))
def corr(x,g,padding): # x [B,h,w,C] g [B,h',w',N]
    return lax.conv_general_dilated(x,g,(1,1),padding,dimension_numbers=DN)
def dw_rows(x,g,kernel,R):
    B,H,W,C=x.shape
    xp=jnp.pad(x,((0,0),(1,1),(0,0),(0,0)))
    def body(acc,i):
        xs=lax.dynamic_slice_in_dim(xp,i*R,R+2,1); gs=lax.dynamic_slice_in_dim(g,i*R,R,1)
        return acc+corr(xs,gs,((0,0),(1,1))).astype(acc.dtype),None
    return lax.scan(body,jnp.zeros(kernel.shape,jnp.float32),jnp.arange(H//R))[0].astype(kernel.dtype)
def im2col(x):
    B,H,W,C=x.shape; p=jnp.pad(x,((0,0),(0,0),(1,1),(0,0)))
    return jnp.concatenate([p[:,i:i+H-2,j:j+W] for i in range(3) for j in range(3)],-1)
def dw_dotrows(x,g,kernel,R):
    B,H,W,C=x.shape; N=g.shape[-1]
    xp=jnp.pad(x,((0,0),(1,1),(0,0),(0,0)))
    def body(acc,i):
        xs=lax.dynamic_slice_in_dim(xp,i*R,R+2,1); gs=lax.dynamic_slice_in_dim(g,i*R,R,1)
        return acc+lax.dot_general(gs.reshape(-1,N),im2col(xs).reshape(-1,9*C),(((0,),(0,)),((),())),preferred_element_type=jnp.float32),None
    return lax.scan(body,jnp.zeros((N,9*C),jnp.float32),jnp.arange(H//R))[0].T.reshape(kernel.shape).astype(kernel.dtype)
def dw_img(x,g,kernel,_):
    B,H,W,C=x.shape; N=g.shape[-1]
    def body(acc,xg):
        xi,gi=xg; xi=jnp.pad(xi[None],((0,0),(1,1),(0,0),(0,0)))
        return acc+lax.dot_general(gi.reshape(-1,N),im2col(xi).reshape(-1,9*C),(((0,),(0,)),((),())),preferred_element_type=jnp.float32),None
    return lax.scan(body,jnp.zeros((N,9*C),jnp.float32),(x,g))[0].T.reshape(kernel.shape).astype(kernel.dtype)
def dw_flat(x,g,kernel,R):
    # contiguous shifted slices of the flat image; border columns zeroed in g
    B,H,W,C=x.shape; N=g.shape[-1]
    xp=jnp.pad(x,((0,0),(2,2),(0,0),(0,0))).reshape(B,(H+4)*W,C)
    col=jnp.arange(W)[None,None,:,None]
    def body(acc,i):
        gs=lax.dynamic_slice_in_dim(g,i*R,R,1)
        xs=lax.dynamic_slice_in_dim(xp,(i*R)*W,(R+4)*W,1)
        cols=[]
        for j in range(3):
            gj=jnp.where(col!=(0 if j==0 else W-1),gs,0) if j!=1 else gs
            xj=jnp.concatenate([xs[:,(i2+1)*W+j-1:(i2+1)*W+j-1+R*W] for i2 in range(3)],-1)
            cols.append(lax.dot_general(gj.reshape(-1,N),xj.reshape(-1,3*C),(((0,),(0,)),((),()))))
        return acc+jnp.stack(cols),None
    o=lax.scan(body,jnp.zeros((3,N,3*C),jnp.float32),jnp.arange(H//R))[0]  # j,n,(i,c)
    return o.reshape(3,N,3,C).transpose(2,0,3,1)
def _backward(residuals, gradient):
    images, kernel = residuals
    flip=kernel[::-1,::-1].swapaxes(2,3)
    dx = _plain(gradient, flip)
    H=images.shape[1]
    if MODE!="plain" and H>=MINROWS and images.shape[-1]>1:
        dk=globals()["dw_"+MODE](images,gradient,kernel,R)
    else:
        dk = jax.vjp(lambda k: _plain(images, k), kernel)[1](gradient)[0]
    return dx, dk
conv3x3.defvjp(_forward, _backward)
