package android.content;

import android.content.res.AssetManager;

/** What the snippet uses of Android, as its reference declares it. Assets are files in the working folder. */
public class Context {
    public AssetManager getAssets() {
        return new AssetManager();
    }
}
